"""What has to be there in Bitbucket and Port before anything can flow, looked after by itself."""
