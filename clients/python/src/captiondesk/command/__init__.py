"""The command line `captiondesk`."""
