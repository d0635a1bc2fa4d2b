"""What changes the books. Each is ``f(tx, input, policy, now)``: read, let core decide, write; one transaction."""
