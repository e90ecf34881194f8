"""What PDFs are made of: sheets are joined and split here without losing layers, links or form fields."""
