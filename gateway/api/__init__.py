"""The routes, one file for each group; a file exports `routes(house)`."""
