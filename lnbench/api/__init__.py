"""The functions of `lnbench`: evaluate, check, verify, audit and compare, and what they take from a person."""
