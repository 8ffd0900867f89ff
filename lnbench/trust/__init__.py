"""Whether a record can be believed: checked against its own bits, made again, attacked again, compared again."""
