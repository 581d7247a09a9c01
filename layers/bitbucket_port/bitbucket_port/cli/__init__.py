"""The command ``bitbucket-port``: a whole resync in one process, without AWS. No function imports anything of it."""
