stackless_example_test(pipeline)
stackless_example_test(pipeline VARIANT failing ARGS 3 EXPECTED pipeline_failing.txt)
