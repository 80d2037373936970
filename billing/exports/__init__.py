"""Files for finance: streaming writers over what is booked. docs/guides/finance.md tells what is in them."""
