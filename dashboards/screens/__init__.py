"""What each screen is about: its rows or its question, read for the views. One module a screen."""
