# The last that the image runs when it makes the database: from here on it is whole.
rm -f "$VOLUME/.begun"
