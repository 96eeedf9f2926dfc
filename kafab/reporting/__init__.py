"""Reports as one HTML file: what they say as values, their charts, and the page."""
