"""The administration page: what is beneath /admin, for administrators who have logged in there."""
