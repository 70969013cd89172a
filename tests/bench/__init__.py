"""What is measured, and that nothing is left out."""
