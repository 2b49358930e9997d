"""What everything else stands on: parameter trees, keyed seeds, content hashes, files and errors."""
