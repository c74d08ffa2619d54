"""What runs inside the fold's process; the only room that may import TensorFlow."""
