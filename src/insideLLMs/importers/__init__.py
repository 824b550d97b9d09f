"""Other tools' tables of outcomes -> Records."""
