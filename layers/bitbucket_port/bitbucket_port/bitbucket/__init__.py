"""Reading Bitbucket: one protocol, an adapter for Cloud and one for Data Center."""
