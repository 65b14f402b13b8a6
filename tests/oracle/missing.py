"""Reports that an engine is not installed: exit status 3 and one line on stderr."""

EXIT_STATUS = 3


class NotInstalled(Exception):
    pass
