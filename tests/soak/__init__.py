"""`make soak`: the whole system under churn, for as long as it takes to see what grows."""
