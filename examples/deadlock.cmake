# the report as it is printed; deadlock.test.sh has the stripped program print the same
stackless_example_test(deadlock EXPECT_STATUS 1)
