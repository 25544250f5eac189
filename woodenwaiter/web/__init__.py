"""The page: what the operators' functions show and do, in a browser."""
