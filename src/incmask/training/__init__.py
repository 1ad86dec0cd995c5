"""Training: what is trained, the state and the step of it, and the only training loop."""
