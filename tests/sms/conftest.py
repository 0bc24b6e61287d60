from hypothesis import settings

settings.register_profile("core", deadline=None)  # what a case takes depends on who else uses the machine
settings.load_profile("core")
