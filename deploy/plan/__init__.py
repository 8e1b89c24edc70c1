"""A plan of `serving.layout` shown: as JSON (`report`), as tables and pictures for a person
(`tables`, `picture`), as the page of all models (`document`). Nothing here decides.
"""
