"""The life of a case: every change of status and value goes through here."""
