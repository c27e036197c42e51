"""This is where maild lets admins work on rules before they go live: tests, replay, canary, versions, drafts, imports."""
