package dev.nightshift.tensor.cpu;

import dev.nightshift.tensor.Weight;

/** Parts over the same input, their outputs side by side. */
final class PreparedWeight implements Weight.Prepared {
    private final Tiles[] parts;
    private final int[] firstRow;
    private final int[] firstTile;

    PreparedWeight(Tiles[] parts) {
        this.parts = parts;
        firstRow = new int[parts.length + 1];
        firstTile = new int[parts.length + 1];
        for (int i = 0; i < parts.length; i++) {
            firstRow[i + 1] = firstRow[i] + parts[i].rows();
            firstTile[i + 1] = firstTile[i] + parts[i].tiles();
        }
    }

    @Override
    public int rows() {
        return firstRow[parts.length];
    }

    @Override
    public int columns() {
        return parts[0].columns();
    }

    int parts() {
        return parts.length;
    }

    Tiles part(int index) {
        return parts[index];
    }

    /** Output of a part's first row. */
    int firstRow(int part) {
        return firstRow[part];
    }

    int tiles() {
        return firstTile[parts.length];
    }

    int firstTile(int part) {
        return firstTile[part];
    }

    /** The part that a tile of the whole belongs to. */
    int partOf(int tile) {
        int part = 0;
        while (tile >= firstTile[part + 1]) {
            part++;
        }
        return part;
    }
}
