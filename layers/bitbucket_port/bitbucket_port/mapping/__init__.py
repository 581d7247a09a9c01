"""From Bitbucket objects to Port entities: the mapping, its jq programs and its scope."""
