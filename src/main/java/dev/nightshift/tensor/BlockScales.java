package dev.nightshift.tensor;

import java.util.Objects;

/** The absmax of every block of a 4-bit weight, in the order of the flattened weight. */
public sealed interface BlockScales {

    /** @param absmax [blocks] F32 */
    record Plain(Tensor absmax) implements BlockScales {
        public Plain {
            Objects.requireNonNull(absmax, "absmax is null");
        }
    }

    /**
     * Double quantisation: {@code absmax[i] = float(map[codes[i]] * nestedAbsmax[i / nestedBlockSize]) + offset}, two
     * roundings (qlora.md section 2.2).
     *
     * @param codes [blocks] U8
     * @param map [256] F32, the map stored in the checkpoint
     * @param nestedAbsmax [ceil(blocks / nestedBlockSize)] F32
     */
    record Nested(Tensor codes, Tensor map, Tensor nestedAbsmax, int nestedBlockSize, float offset)
            implements BlockScales {
        public Nested {
            Objects.requireNonNull(codes, "codes is null");
            Objects.requireNonNull(map, "map is null");
            Objects.requireNonNull(nestedAbsmax, "nestedAbsmax is null");
        }
    }
}
