"""Where everything is: the region, and moto's account."""

REGION = "eu-west-1"
ACCOUNT = "123456789012"
