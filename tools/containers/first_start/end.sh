# The image runs this last when it creates the database: now the database is complete.
rm -f "$VOLUME/.begun"
