"""Alerts: checks that look at an account, memory that keeps blips from becoming mail, messages that tell."""
