stackless_example_test(philosophers EXPECT_STATUS 1)
stackless_example_test(philosophers VARIANT ordered ARGS --ordered EXPECTED philosophers_ordered.txt)
