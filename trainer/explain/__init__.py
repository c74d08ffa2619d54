"""The second look at one fold: run again under memray, with what it allocated and did not free."""
