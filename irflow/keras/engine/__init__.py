"""What models are made of and trained by; users find it under the names of Keras."""
