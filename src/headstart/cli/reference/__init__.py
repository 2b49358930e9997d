"""What can be written in a study file, read off the code: for the command line and for the documentation's tables."""
