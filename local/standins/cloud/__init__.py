"""A little Bitbucket Cloud workspace: its state, its three ways of writing an object, its API."""
