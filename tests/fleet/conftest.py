"""Settings of the property tests: no example is judged by how long the machine took for it."""

from hypothesis import settings

settings.register_profile("fleet", deadline=None)
settings.load_profile("fleet")
