"""arrax: composable transformations of NumPy programs."""
