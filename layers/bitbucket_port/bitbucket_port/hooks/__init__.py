"""Webhooks in Bitbucket: made, compared, put right and removed again."""
