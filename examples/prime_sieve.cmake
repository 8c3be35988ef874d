stackless_example_test(prime_sieve)
stackless_example_test(prime_sieve VARIANT few ARGS 3 EXPECTED prime_sieve_3.txt)
stackless_example_test(prime_sieve VARIANT none ARGS 0 EXPECTED prime_sieve_0.txt)
stackless_example_test(prime_sieve VARIANT misuse ARGS many EXPECT_STATUS 2 EXPECTED prime_sieve_0.txt)
