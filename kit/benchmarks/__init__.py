"""What the kit measures about itself, one module per benchmark; `kit.bench` has the list."""
