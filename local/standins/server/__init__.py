"""A little Bitbucket Data Center instance: its state, its three ways of writing an object, its API."""
