"""The deployment of Caption Desk: settings, wiring and process start; no behaviour of the product."""
