"""Figures of cases, and the page that shows them."""
