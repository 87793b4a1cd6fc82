"""A fleet in fast motion: the production policies on a day or a week of made-up calls.

`scenarios` says who calls and what workers are like, `rules` which policies are compared, `engine`
lets the day pass, `comparison` says who is better. For people who tune the scaling: it needs the
`cli` and `dev` extras, and nothing in production imports it.
"""
