"""`python -m captiondesk`: the command line."""

from captiondesk.command.main import main

raise SystemExit(main())
