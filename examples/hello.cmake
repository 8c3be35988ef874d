stackless_example_test(hello) # hello.test.sh compares it with the README
