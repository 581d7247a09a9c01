"""Bitbucket's webhooks: what is let in, what is stored of it, and what it means."""
