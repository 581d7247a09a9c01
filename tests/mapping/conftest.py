"""Property tests here compile jq programs: how long one example takes says nothing about whether it holds."""

from hypothesis import settings

settings.register_profile("mapping", deadline=None)
settings.load_profile("mapping")
