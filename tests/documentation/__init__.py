"""What the pages for users show is tried: links, configurations, queries, commands and what they print."""
