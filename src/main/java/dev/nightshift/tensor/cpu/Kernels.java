package dev.nightshift.tensor.cpu;

/**
 * Which inner loops a backend works with.
 *
 * @param bits vector width: 128, 256 or 512
 * @param machineCode whether those that exist in machine code are used
 */
record Kernels(int bits, boolean machineCode) {
    /** @param wanted machine code is used where there is some for this width and the machine runs it */
    static Kernels of(int bits, CpuKernels wanted) {
        return new Kernels(bits, wanted == CpuKernels.AUTO && MachineCode.runs(bits));
    }

    /** What {@link #fourBit}, {@link #fourBitGroups} and {@link #fewRows} read. */
    CodeOrder codeOrder() {
        return machineCode && !wide() ? CodeOrder.COLUMNS : CodeOrder.ROWS;
    }

    /** Whether {@link #fewRows} reads compressed weights. */
    boolean compresses() {
        return machineCode && wide();
    }

    private boolean wide() {
        return bits == MachineCode.WIDE_BITS;
    }

    FourBitLanes fourBit() {
        FourBitLanes vector = at(FourBitLanes.class, FourBitVectors.class);
        return machineCode ? new MachineTiles(vector, bits) : vector;
    }

    FourBitGroupLanes fourBitGroups() {
        return machineCode ? FourBitGroupLanes.NONE : at(FourBitGroupLanes.class, FourBitGroups.class);
    }

    DenseLanes dense() {
        return at(DenseLanes.class, DenseVectors.class);
    }

    DenseGroupLanes denseGroups() {
        return machineCode && !wide() ? new MachineGroups() : DenseGroupLanes.NONE;
    }

    FewRowsLanes fewRows() {
        if (!machineCode) {
            return FewRowsLanes.NONE;
        }
        return wide() ? new WideFewRows() : new MachineFewRows();
    }

    RowLanes rows() {
        return at(RowLanes.class, RowVectors.class);
    }

    PanelLanes panels() {
        PanelLanes vector = at(PanelLanes.class, PanelVectors.class);
        return machineCode ? new MachinePanels(vector, bits) : vector;
    }

    AttentionLanes attention() {
        AttentionLanes vector = at(AttentionLanes.class, AttentionVectors.class);
        if (!machineCode) {
            return vector;
        }
        AttentionLanes machine = new MachineAttention(vector);
        return wide() ? new WideAttention(machine) : machine;
    }

    ChainLanes chains() {
        return machineCode ? new MachineChains(bits) : new ChainVectors();
    }

    <T> T at(Class<T> type, Class<? extends T> kernel) {
        return Lanes.at(bits, type, kernel);
    }
}
