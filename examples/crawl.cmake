stackless_example_test(crawl)
stackless_example_test(crawl VARIANT deadline ARGS 40 EXPECTED crawl_deadline.txt)
