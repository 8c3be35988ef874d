stackless_example_test(poll_race EXPECT_STATUS 1)
stackless_example_test(poll_race VARIANT fixed ARGS --fixed EXPECTED poll_race_fixed.txt)
