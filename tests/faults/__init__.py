"""What the surroundings do to a process: memory that ends, small stacks, forks."""
